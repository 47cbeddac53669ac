#!/usr/bin/env bash
# Make ready the S3 clients that the tests point at weighbridge: boto3, the AWS
# CLI (python.txt) and @aws-sdk/client-s3 (package-lock.json), all pinned. How,
# ../ready.sh says.
set -euo pipefail

suite=s3clients
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

need python3 node npm flock curl
begin "$here"/python.txt "$here"/package.json "$here"/package-lock.json
node_packages
python_packages boto3,awscli python.txt
NODE_PATH="$dir/node_modules" node -e 'require("@aws-sdk/client-s3")'
finish
