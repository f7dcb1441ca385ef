# SPDX-License-Identifier: MIT
#   docker build --target relay -t modelrelay-relay .
#   docker build --target worker -t modelrelay-worker .
FROM debian:bookworm-slim AS build
RUN apt-get -q update \
 && apt-get -qy install --no-install-recommends \
    esbuild gcc gettext libc6-dev libglib2.0-dev libglib2.0-dev-bin libgnutls28-dev libjson-glib-dev libpq-dev \
    libsoup-3.0-dev libsqlite3-dev meson ninja-build pkg-config \
 && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN meson setup /build /src --prefix=/usr --buildtype=release -Dtests=false \
 && ninja -C /build \
 && DESTDIR=/install meson install -C /build --no-rebuild

FROM debian:bookworm-slim AS base
RUN apt-get -q update \
 && apt-get -qy install --no-install-recommends \
    ca-certificates curl glib-networking libgnutls30 libjson-glib-1.0-0 libpq5 libsoup-3.0-0 libsqlite3-0 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent modelrelay \
 && install -d -o modelrelay -g modelrelay -m 700 /var/lib/modelrelay
ENV MODELRELAY_DBUS=none

FROM base AS relay
COPY --from=build /install/usr/bin/modelrelay-server /install/usr/bin/modelrelayctl /usr/bin/
USER modelrelay
# Keys and usage.
ENV LISTEN_ADDR=0.0.0.0:8080 STATE_DIRECTORY=/var/lib/modelrelay
VOLUME /var/lib/modelrelay
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["curl", "--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1:8080/health"]
ENTRYPOINT ["modelrelay-server"]

FROM base AS worker
COPY --from=build /install/usr/bin/modelrelay-worker /install/usr/bin/modelrelay-demo-backend /usr/bin/
COPY docker/worker-health /usr/lib/modelrelay/worker-health
USER modelrelay
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["/usr/lib/modelrelay/worker-health"]
ENTRYPOINT ["modelrelay-worker"]
