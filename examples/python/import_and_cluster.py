"""Makes a project, imports a JSONL manifest of embeddings, clusters it and prints how many items there are.

Needs Python 3.9 and nothing else.
Usage: TRIBUTARY_TOKEN=... python3 import_and_cluster.py MANIFEST.jsonl DIMENSION [URL]
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = sys.argv[3] if len(sys.argv) > 3 else "http://127.0.0.1:4000/graphql"
TOKEN = os.environ["TRIBUTARY_TOKEN"]


def graphql(query, **variables):
    """Runs one operation; stops with the server's own words when it fails as a whole."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(URL, body, headers)) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    if "errors" in answer:
        first = answer["errors"][0]
        sys.exit(f"{first['extensions']['code']}: {first['message']}")
    return answer["data"]


def mutate(mutation, fields, **values):
    """Runs one mutation; stops when it is refused, for the reason that the server gives."""
    kind = mutation[0].upper() + mutation[1:] + "Input"
    query = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} userErrors {{ code message }} }} }}"
    payload = graphql(query, input=values)[mutation]
    if payload["userErrors"]:
        sys.exit("; ".join(f"{e['code']}: {e['message']}" for e in payload["userErrors"]))
    return payload


def wait_for_job(job_id):
    while True:
        job = graphql("query($id: ID!) { job(id: $id) { state failure failedRowCount } }", id=job_id)["job"]
        if job["state"] == "SUCCEEDED":
            return job
        if job["state"] in ("FAILED", "CANCELED"):
            sys.exit(f"the job ended as {job['state']}: {job['failure']}")
        time.sleep(0.2)


def items(project_id):
    """Every item, page after page."""
    after = None
    while True:
        page = graphql(
            """query($id: ID!, $after: String) { project(id: $id) { items(first: 100, after: $after) {
                 edges { node { id externalKey } } pageInfo { hasNextPage endCursor } } } }""",
            id=project_id,
            after=after,
        )["project"]["items"]
        yield from (edge["node"] for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def main():
    manifest, dimension = sys.argv[1], int(sys.argv[2])
    name = os.path.basename(manifest)
    project = mutate(
        "createProject", "project { id }", name=name, embeddingDimension=dimension, idempotencyKey=str(uuid.uuid4())
    )["project"]["id"]

    # Files are put on a signed address, and named by their staged one afterwards.
    with open(manifest, "rb") as file:
        content = file.read()
    upload = mutate("createUpload", "uploadUrl stagedUrl", projectId=project, fileName=name, byteSize=len(content))
    urllib.request.urlopen(urllib.request.Request(upload["uploadUrl"], content, method="PUT")).close()

    started = mutate(
        "startImport", "job { id }", projectId=project, manifestUrl=upload["stagedUrl"], idempotencyKey=str(uuid.uuid4())
    )
    job = wait_for_job(started["job"]["id"])
    run = mutate(
        "startClusterRun",
        "clusterRun { job { id } }",
        projectId=project,
        method="THRESHOLD",
        idempotencyKey=str(uuid.uuid4()),
    )["clusterRun"]
    wait_for_job(run["job"]["id"])
    print(f"{sum(1 for _ in items(project))} items, {job['failedRowCount']} rows left out")


if __name__ == "__main__":
    main()
