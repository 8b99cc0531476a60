# The exchange simulator alone, for a platform that runs in containers.
FROM python:3.11-slim
WORKDIR /chaosp7
COPY . .
RUN pip install --no-cache-dir '.[embedded]'
ENTRYPOINT ["python", "-m", "chaosp7.embedded.exchange"]
