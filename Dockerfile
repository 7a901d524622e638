# The service: docker build -t bshm . && docker run --rm -p 7000:7000 --read-only bshm
# Settings are flags after the image's name, or variables: -e BSHM_KEYS=/keys -v ./keys:/keys:ro
# The health check asks at BSHM_PORT, so another port is said by that.
FROM python:3.12-slim AS build
COPY setup.py pyproject.toml README.md /src/
COPY bshm /src/bshm
RUN python -m venv /opt/bshm && /opt/bshm/bin/pip install --no-cache-dir '/src[serve]' \
    && /opt/bshm/bin/python -m compileall -q /opt/bshm/lib

FROM python:3.12-slim
COPY --from=build /opt/bshm /opt/bshm
ENV PATH=/opt/bshm/bin:$PATH BSHM_HOST=0.0.0.0 TMPDIR=/dev/shm MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 7000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('BSHM_PORT', 7000), timeout=2)"]
ENTRYPOINT ["bshm", "serve"]
