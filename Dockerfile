# syntax=docker/dockerfile:1
# Built in two stages, ending in an image that holds the program, the public
# roots, the zone data and the bill of materials, and nothing else.
#
# The version is that of the commit, from the build info: the context holds
# .git. The same commit and the same Go make the same program, byte for byte.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# --build-arg TAGS=otel builds the export of spans in (docs/observability.md).
ARG TAGS=""
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=true -tags "$TAGS" -ldflags "-s -w" -o /out/weighbridge ./cmd/weighbridge \
 && /out/weighbridge version --sbom > /out/sbom.cdx.json \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/zoneinfo.zip \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/zoneinfo.zip /usr/share/zoneinfo.zip
COPY --from=build /out/sbom.cdx.json /sbom.cdx.json
COPY --from=build /out/weighbridge /weighbridge
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# The data directory lies below the volume and is made by weighbridge itself
# with mode 0700: the mode of a volume's root is the runtime's choice. (A store
# in memory needs neither: WEIGHBRIDGE_DATA_DIR=off.)
ENV WEIGHBRIDGE_DATA_DIR=/data/weighbridge \
    WEIGHBRIDGE_LISTEN=0.0.0.0:8080 \
    WEIGHBRIDGE_ADMIN_LISTEN=0.0.0.0:8081 \
    ZONEINFO=/usr/share/zoneinfo.zip
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/weighbridge", "healthcheck"]
ENTRYPOINT ["/weighbridge"]
CMD ["serve"]
