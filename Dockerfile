# docker build -t readstate .
# Behind a proxy with a certificate of its own: docker build --secret id=ca,src=/path/to/ca.pem -t readstate .

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The locked requirements have a layer of their own: a change of the code does not install them again.
# PIP_CERT replaces the certificates that pip trusts, so the secret is added to the system's.
# The virtual environment has no pip: nothing installs into a running image.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then \
        cat /etc/ssl/certs/ca-certificates.crt /run/secrets/ca > /tmp/ca.pem && export PIP_CERT=/tmp/ca.pem; \
    fi \
    && pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && python -m venv --without-pip /opt/readstate \
    && pip --python /opt/readstate/bin/python install --require-hashes --only-binary :all: -r requirements/runtime.txt \
    && rm -f /tmp/ca.pem

COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/readstate/bin/python install --no-deps --no-index dist/*.whl


FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="readstate" \
      org.opencontainers.image.description="A small gRPC service that remembers who has read what" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/readstate /opt/readstate

# In a container the loopback address is reached by nobody: every listener is open, publish what you need.
ENV PATH=/opt/readstate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    READSTATE_LISTEN=0.0.0.0:50051 \
    READSTATE_ADMIN_LISTEN=0.0.0.0:9090 \
    READSTATE_GATEWAY_LISTEN=0.0.0.0:8080 \
    READSTATE_GATEWAY_ADMIN_LISTEN=0.0.0.0:9091
EXPOSE 50051 8080 9090 9091

# A number, so that Kubernetes' runAsNonRoot can tell that it is not root.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["readstate", "check"]
ENTRYPOINT ["readstate"]
CMD ["serve"]
