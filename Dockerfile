FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package quittance-server --bin quittance

FROM debian:bookworm-slim
# ca-certificates holds the root certificates that verify Stripe's certificate.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /data quittance \
    && install --directory --owner=quittance --mode=0700 /data
COPY --from=build /build/target/release/quittance /usr/local/bin/quittance
USER quittance
# Holds the SQLite database and its companion files.
WORKDIR /data
VOLUME /data
ENV QUITTANCE_LISTEN=0.0.0.0:8080 \
    DATABASE_URL=sqlite:///data/quittance.db \
    QUITTANCE_LOG_FORMAT=json
EXPOSE 8080
# Requests /readyz with bash, because the image contains no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["quittance"]
CMD ["serve"]
