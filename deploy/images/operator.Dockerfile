# The operator. Its context is made by `make images`: program/ is the code with its dependencies from operator.lock.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
COPY install.sh left-out operator.packages /build/
RUN sh /build/install.sh /build/operator.packages

FROM base AS build
COPY program /opt/lvs-operator
COPY compile.sh /build/
RUN sh /build/compile.sh /opt/lvs-operator lvs_operator

FROM base
COPY --from=build /opt/lvs-operator /opt/lvs-operator
ENV PATH=/opt/lvs-operator/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/opt/lvs-operator PYTHONDONTWRITEBYTECODE=1
# A number, which Kubernetes can tell from root; with a name, for what looks it up.
RUN echo 'lvs:x:65532:65532::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
USER 65532:65532
ENTRYPOINT ["lvs-operator"]
CMD ["run"]
