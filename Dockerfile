# syntax=docker/dockerfile:1
# Run: docker run --read-only --tmpfs /tmp -v idnode:/var/lib/idnode \
#        -p 8480:8480 -p 53:5380/udp -p 53:5380/tcp -p 2641:2641/udp -p 2641:2641/tcp idnode

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends clang libclang-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin idnode \
 && install -D target/release/idnode /out/usr/bin/idnode \
 && install -D -m 0644 config/idnode.toml /out/etc/idnode/idnode.toml \
 && install -d /out/var/lib/idnode

# Nothing is installed here: apt itself brings libstdc++, which RocksDB needs.
FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/idnode --shell /usr/sbin/nologin idnode
COPY --from=build /out/usr /usr
COPY --from=build /out/etc /etc
COPY --from=build --chown=idnode:idnode /out/var/lib/idnode /var/lib/idnode
# Every key of the configuration can be set so: IDNODE_SECTION__KEY.
ENV IDNODE_HTTP__LISTEN=0.0.0.0:8480 \
    IDNODE_DNS__LISTEN=0.0.0.0:5380 \
    IDNODE_HANDLE__LISTEN=0.0.0.0:2641
USER idnode
VOLUME /var/lib/idnode
EXPOSE 8480/tcp 5380/udp 5380/tcp 2641/udp 2641/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["idnode", "health"]
# Exec form: the node is process 1, takes SIGTERM itself and has no children.
ENTRYPOINT ["idnode"]
CMD ["serve", "--config", "/etc/idnode/idnode.toml"]
