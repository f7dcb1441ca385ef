// SPDX-License-Identifier: MIT
// The steps in which something is chosen and commands are read: platform, backend, model, installation, service.
// Each function gives the contents of its step. What talks to the relay is in setup-key.js and setup-live.js.

import { h } from './dom.js';
import { t } from './i18n.js';
import * as commands from './setup-commands.js';
import { choiceField, choiceGroup, command, following, ownerChoice } from './setup-parts.js';

export function platformStep(wizard) {
  return [
    h('p', {}, t('A worker runs on the machine with the models. It calls this relay, so that machine needs no open ' +
      'port.')),
    choiceGroup(wizard, {
      name: 'platform',
      legend: t('What does that machine run?'),
      options: [
        ['debian', t('Debian or Ubuntu'), t('A package if this relay offers one, else from source.')],
        ['linux', t('Another Linux'), t('From source.')],
        ['flatpak', t('The desktop app (Flatpak)'), t('With a window instead of a terminal, if this relay offers it.')],
        ['container', t('A container'), t('For Podman or Docker, if this relay offers an image.')],
      ],
      take: (platform) => wizard.set({ platform }),
    }),
  ];
}

export function backendStep(wizard) {
  const explanations = {
    llamacpp: t('GGUF models on any hardware; tells the worker how many requests it takes at a time.'),
    ollama: t('Fetches and switches models by itself.'),
    vllm: t('Many requests at a time on large GPUs.'),
    lmstudio: t('A desktop program with a server.'),
    llamafile: t('Model and program in one file.'),
  };
  let field = urlField();
  function urlField() {
    return choiceField(wizard, {
      name: 'backendUrl',
      label: t('Address of the backend'),
      help: t('As seen from that machine. This is the usual one; all commands here follow it.'),
      problem: t('This must look like http://127.0.0.1:8000.'),
    });
  }
  const choose = (backend) => {
    wizard.set({ backend, backendUrl: '', model: '', concurrency: '' });
    const next = urlField();
    field.replaceWith(next);
    field = next;
  };
  return [
    choiceGroup(wizard, {
      name: 'backend',
      legend: t('What serves the model?'),
      options: Object.entries(commands.BACKENDS).map(([id, { name, url }]) =>
        [id, name, `${explanations[id]} ${t('Usual address: {url}', { url })}`]),
      take: choose,
    }),
    h('p', { class: 'help' }, t('Anything else that speaks the OpenAI or Anthropic API over HTTP works as well: ' +
      'give its address.')),
    field,
  ];
}

export function modelStep(wizard) {
  const explanations = {
    llamacpp: t('A small model to begin with. llama-server fetches it by this name; a path that ends in .gguf is a ' +
      'file of yours.'),
    ollama: t('A small model to begin with. If Ollama runs as a service already, leave out the first command.'),
    vllm: t('A small model to begin with. vLLM fetches it by this name.'),
    lmstudio: t('A small model to begin with. lms comes with LM Studio.'),
    llamafile: t('The llamafile on that machine.'),
  };
  const captions = { 'backend-start': t('Start the backend; it stays in this ' +
    'terminal'), 'model-load': t('Get the model') };
  const list = commands.backendCommands(wizard.values);
  return [
    choiceField(wizard, {
      name: 'model',
      label: t('Model'),
      help: explanations[wizard.choices.backend],
      problem: t('This must be one word that does not begin with a hyphen.'),
    }),
    list.map(([name], index) =>
      command(wizard, name, captions[name], (values) => commands.backendCommands(values)[index][1])),
    command(wizard, 'backend-check', t('Check that it lists its model'), commands.backendCheck),
  ];
}

const INSTALL = {
  debian: { name: 'install-deb', make: commands.debInstall },
  linux: { name: 'install-archive', make: commands.sourceInstall },
  flatpak: { name: 'install-flatpak', make: commands.flatpakInstall },
  container: { name: 'install-image', make: commands.imageInstall },
};

export function installStep(wizard) {
  const { platform } = wizard.choices;
  const file = commands.pickFile(wizard.downloads, platform);
  const fromSource = platform === 'debian' || platform === 'linux';
  const captions = {
    debian: t('Install the package that this relay offers'),
    linux: t('Build and install the source that this relay offers'),
    flatpak: t('Install the desktop app that this relay offers'),
    container: t('Load the image that this relay offers'),
  };
  const missing = {
    debian: t('This relay offers no package for workers, so build from source.'),
    linux: t('This relay offers no source archive: use a clone of ModelRelay\'s source.'),
    flatpak: t('This relay offers no Flatpak. Whoever runs it can put one into its downloads directory. Until then ' +
      'choose Debian or another Linux in step 1.'),
    container: t('This relay offers no image. Whoever runs it can put one into its downloads directory. Until then ' +
      'choose Debian or another Linux in step 1.'),
  };
  const after = {
    flatpak: t('The app asks for the values of step 5 in its own settings. The commands of the further steps are ' +
      'for a worker without a desktop.'),
    container: t('The container needs the settings of step 5. The commands of the further steps are for a worker ' +
      'without a container.'),
  };
  return [
    file
      ? command(wizard, INSTALL[platform].name, captions[platform],
        ({ relayUrl }) => INSTALL[platform].make(relayUrl, file))
      : h('p', { class: 'notice', 'data-notice': 'no-download' }, missing[platform]),
    fromSource && (platform === 'debian' || !file)
      ? command(wizard, 'install-source', t('From source, in a clone of ' +
        'ModelRelay'), ({ relayUrl }) => commands.sourceInstall(relayUrl))
      : null,
    platform === 'linux'
      ? h('p', { class: 'help' }, t('Without apt-get the first script names what is missing, as Debian calls it. ' +
        'Install that, then run the line again.'))
      : null,
    file && after[platform] ? h('p', { class: 'notice' }, after[platform]) : null,
    fromSource
      ? command(wizard, 'install-check', t('Check that it is there'), () => 'modelrelay-worker --version')
      : null,
  ];
}

export function serviceStep(wizard) {
  return [
    h('p', {}, t('As a service the worker starts by itself, and again whenever it ends. Stop the one of step 6 ' +
      'first, with Ctrl+C.')),
    ownerChoice(wizard),
    following(wizard, ({ who }) => (who === 'user'
      ? t('The service runs as your user and goes on when you log out.')
      : t('The service has a user of its own and sees next to nothing of the machine.')), { class: 'help' }),
    command(wizard, 'unit-write', t('Write the unit'), commands.writeUnit),
    command(wizard, 'unit-enable', t('Start it now and at every boot'), commands.enableUnit),
    command(wizard, 'unit-status', t('How it is doing'), commands.showState),
    command(wizard, 'unit-log', t('Its log; Ctrl+C ends only the view'), commands.showLog),
    command(wizard, 'unit-drain', t('Drain and stop it: no new requests, running ones finish'), commands.drainWorker),
    command(wizard, 'unit-resume', t('Start it again'), commands.resumeWorker),
    following(wizard, (values) => t('It reads {path}, which step 5 writes for this choice. After changing it, ' +
      'stop and start the service.', { path: commands.envPath(values) }), { class: 'help' }),
  ];
}
