# An image with strata and nothing else: docker build -t strata . && docker run --rm -v "$PWD:/data" strata analyze MODEL
FROM debian:12 AS build
COPY . /strata
RUN cd /strata && scripts/setup && scripts/package

FROM debian:12-slim
COPY --from=build /strata/dist/*.deb /tmp/
RUN dpkg -i /tmp/*.deb && rm /tmp/*.deb
WORKDIR /data
ENTRYPOINT ["strata"]
