# syntax=docker/dockerfile:1
# Built in two stages, ending in an image that holds the binary and the public
# roots and nothing else.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/weighbridge ./cmd/weighbridge \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/weighbridge /weighbridge
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# The data directory lies below the volume and is made by weighbridge itself
# with mode 0700: the mode of a volume's root is the runtime's choice.
ENV WEIGHBRIDGE_DATA_DIR=/data/weighbridge \
    WEIGHBRIDGE_LISTEN=0.0.0.0:8080 \
    WEIGHBRIDGE_ADMIN_LISTEN=0.0.0.0:8081
VOLUME /data
EXPOSE 8080 8081
ENTRYPOINT ["/weighbridge"]
CMD ["serve"]
