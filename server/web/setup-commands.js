// SPDX-License-Identifier: MIT
// Every command and file that the page /setup shows, made from plain data. What is asked and explained is not here.
//
// c: {backend, backendUrl, model, name, models, concurrency, relayUrl, provider, who: 'system' | 'user'}, all checked.

/** What is usual for each backend; auto: it tells the worker how many requests it takes at a time. */
export const BACKENDS = {
  llamacpp: { name: 'llama.cpp (llama-server)', url: 'http://127.0.0.1:8080', model: 'ggml-org/gemma-3-1b-it-GGUF',
    concurrency: 'auto' },
  ollama: { name: 'Ollama', url: 'http://127.0.0.1:11434', model: 'llama3.2:1b', concurrency: '1' },
  vllm: { name: 'vLLM', url: 'http://127.0.0.1:8000', model: 'Qwen/Qwen2.5-0.5B-Instruct', concurrency: '16' },
  lmstudio: { name: 'LM Studio', url: 'http://127.0.0.1:1234', model: 'qwen2.5-0.5b-instruct', concurrency: '1' },
  llamafile: { name: 'llamafile', url: 'http://127.0.0.1:8080', model: 'Llama-3.2-1B-Instruct.Q6_K.llamafile',
    concurrency: 'auto' },
};

/** A text as one word of a POSIX shell. */
export function quote(text) {
  return /^[\w@%+=:,.\/-]+$/.test(text) ? text : `'${text.replaceAll('\'', '\'\\\'\'')}'`;
}

/** A file's path as an argument: never taken for an option or looked for in PATH. */
const asPath = (name) => quote(name.includes('/') ? name : `./${name}`);

const withoutSlash = (url) => url.replace(/\/+$/, '');

/** Where the backend has to listen to be found under its URL. */
function endpoint(url) {
  const { hostname, port } = new URL(url);
  return { host: hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[|\]$/g, ''), port: port || '80' };
}

const llamaModel = (model) => (model.endsWith('.gguf') ? `--model ${quote(model)}` : `-hf ${quote(model)}`);

/** The commands that bring the backend up with its model, as [name, text]. */
export function backendCommands({ backend, backendUrl, model }) {
  const { host, port } = endpoint(backendUrl);
  const at = `--host ${host} --port ${port}`;
  switch (backend) {
    case 'llamacpp':
      return [['backend-start', `llama-server ${llamaModel(model)} ${at} --parallel 4`]];
    case 'ollama':
      return [['backend-start', `OLLAMA_HOST=${host.includes(':') ? `[${host}]` : host}:${port} ollama serve`],
        ['model-load', `OLLAMA_HOST=${quote(withoutSlash(backendUrl))} ollama pull ${quote(model)}`]];
    case 'vllm':
      return [['backend-start', `vllm serve ${quote(model)} ${at}`]];
    case 'lmstudio':
      return [['model-load', `lms get ${quote(model)} --yes\nlms load ${quote(model)} --yes`],
        ['backend-start', `lms server start --port ${port}`]];
    default:
      return [['backend-start', `sh ${asPath(model)} --server ${at}`]];
  }
}

const get = (url) => `curl -sS --fail-with-body --max-time 10 ${quote(url)}`;

export const backendCheck = ({ backendUrl }) => get(`${withoutSlash(backendUrl)}/v1/models`);
export const relayCheck = ({ relayUrl }) => get(`${withoutSlash(httpUrl(relayUrl))}/health`);

const httpUrl = (url) => url.replace(/^ws/, 'http');

/** From a clone, or with `file` from a source archive of the relay's. */
export function sourceInstall(relayUrl, file) {
  const unpack = file ? `${download(relayUrl, file)}
  mkdir -p modelrelay &&
  tar xf ${asPath(file.name)} -C modelrelay --strip-components=1 &&
  cd modelrelay &&
  ` : '';
  return `${unpack}./scripts/bootstrap build &&
  meson setup build --buildtype=release &&
  sudo meson install -C build`;
}

/** Fetches a file {name, sha256} that the relay offers; ends with an error unless it is that very file. */
function download(relayUrl, { name, sha256 }) {
  const from = `${withoutSlash(httpUrl(relayUrl))}/downloads/${encodeURIComponent(name)}`;
  return `curl -fL -o ${asPath(name)} ${quote(from)} &&
  echo ${quote(`${sha256}  ${name}`)} | sha256sum -c - &&`;
}

export const debInstall = (relayUrl, file) => `${download(relayUrl, file)}\n  sudo apt install ${asPath(file.name)}`;
export const flatpakInstall = (relayUrl, file) =>
  `${download(relayUrl, file)}\n  flatpak install --user ${asPath(file.name)}`;
export const imageInstall = (relayUrl, file) => `${download(relayUrl, file)}\n  podman load -i ${asPath(file.name)}`;

/** The file of `files` that suits a platform; of several, the last in the order of their versions. */
export function pickFile(files, platform) {
  const patterns = {
    debian: /^modelrelay-worker_.*\.deb$/,
    linux: /^modelrelay-\d[\d.]*\.tar\.(gz|xz)$/,
    flatpak: /\.flatpak$/,
    container: /(image|container|oci|docker|podman).*\.tar(\.gz|\.xz|\.zst)?$/i,
  };
  const found = files.filter(({ name }) => patterns[platform].test(name) && !/server/.test(name));
  return found.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })).at(-1) ?? null;
}

const FOLDERS = { system: '/etc/modelrelay', user: '$HOME/.config/modelrelay' };

export const envPath = ({ who, name }) => `${FOLDERS[who]}/worker-${name}.env`;

function envFile(c, secret) {
  return [
    `WORKER_SECRET=${secret}`,
    ...Object.entries({
      PROXY_URL: c.relayUrl,
      BACKEND_URL: c.backendUrl,
      WORKER_NAME: c.name,
      MODELS: c.models,
      MAX_CONCURRENCY: c.concurrency,
      PROVIDER_NAME: c.provider === 'local' ? '' : c.provider,
    }).filter(([, value]) => value).map(([name, value]) => `${name}=${value === '*' ? value : quote(value)}`),
  ].join('\n');
}

function envTarget(c) {
  const path = envPath(c);
  if (c.who === 'user') {
    return `(umask 077; mkdir -p "${FOLDERS.user}"; cat > "${path}" && chmod 600 "${path}")`;
  }
  return `sudo sh -c 'umask 077; cat > ${path} && chmod 600 ${path}'`;
}

/** Writes the worker's settings, for its user alone. Without a secret the command asks for it in the terminal. */
export function writeEnv(c, secret) {
  const folder = c.who === 'system' ? `sudo mkdir -p ${FOLDERS.system}\n` : '';
  if (secret) return `${folder}${envTarget(c)} <<'EOF'\n${envFile(c, quote(secret))}\nEOF`;
  // The braces make a shell read all of it before it runs any, or `read` would take the next line as the secret.
  const rest = envFile(c, '').split('\n').slice(1).join('\n').replace(/[$`\\]/g, '\\$&');
  return `{\nprintf 'Worker secret: '; read -rs secret; echo
${folder}${envTarget(c)} <<EOF\nWORKER_SECRET='$secret'\n${rest}\nEOF\n}`;
}

function run(c, command) {
  const path = envPath(c);
  return c.who === 'user'
    ? `(set -a; . "${path}"; set +a; exec ${command})`
    : `sudo sh -c 'set -a; . ${path}; set +a; exec ${command}'`;
}

export const startWorker = (c) => run(c, 'modelrelay-worker');
export const checkSettings = (c) => run(c, 'modelrelay-worker --check-config');
export const showProxies = () => 'env | grep -i _proxy || echo "No proxy is set."';
export const relayCheckWithoutProxy = (c) => relayCheck(c).replace('curl ', 'curl --noproxy \'*\' ');
export const showClock = () => 'date -u';

// What an unprivileged manager can enforce too: seccomp filters and the like, but no namespaces.
const USER_SANDBOX = `NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077`;

const SYSTEM_SANDBOX = `DynamicUser=yes
CapabilityBoundingSet=
DevicePolicy=closed
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
${USER_SANDBOX}`;

export const unitName = ({ name }) => `modelrelay-worker-${name}.service`;

/** The service. A stop lets running requests finish, so it may take a while. */
export function unitFile(c) {
  const system = c.who === 'system';
  return `[Unit]
Description=ModelRelay worker ${c.name}
${system ? 'Wants=network-online.target\nAfter=network-online.target\n' : ''}
[Service]
EnvironmentFile=${envPath(c).replace('$HOME', '%h')}
ExecStart=modelrelay-worker
Restart=always
RestartSec=2
TimeoutStopSec=600
LimitNOFILE=65536
${system ? SYSTEM_SANDBOX : USER_SANDBOX}

[Install]
WantedBy=${system ? 'multi-user.target' : 'default.target'}`;
}

export function writeUnit(c) {
  return c.who === 'system'
    ? `sudo tee /etc/systemd/system/${unitName(c)} > /dev/null <<'EOF'\n${unitFile(c)}\nEOF`
    : `mkdir -p "$HOME/.config/systemd/user"
cat > "$HOME/.config/systemd/user/${unitName(c)}" <<'EOF'\n${unitFile(c)}\nEOF`;
}

const systemctl = ({ who }) => (who === 'system' ? 'sudo systemctl' : 'systemctl --user');

export function enableUnit(c) {
  // Without lingering a user's services end with the last log-out.
  const linger = c.who === 'user' ? 'loginctl enable-linger\n' : '';
  return `${linger}${systemctl(c)} daemon-reload\n${systemctl(c)} enable --now ${unitName(c)}`;
}

export const showState = (c) => `${systemctl(c)} --no-pager status ${unitName(c)}`;
export const showLog = (c) => `journalctl ${c.who === 'system' ? '' : '--user '}-u ${unitName(c)} -n 50 -f`;
export const drainWorker = (c) => `${systemctl(c)} stop ${unitName(c)}`;
export const resumeWorker = (c) => `${systemctl(c)} start ${unitName(c)}`;
