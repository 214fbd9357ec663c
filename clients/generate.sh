#!/bin/sh
# Generates the Go and TypeScript clients from protos/. Their output is committed; nobody needs Go or Node to run a node.
set -eu

PROTOBUF_GO=v1.36.12
GRPC_GO=v1.6.2

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/.venv/bin/python
cd "$root"

for program in go node npm; do
  command -v "$program" >/dev/null || {
    echo "gen: '$program' is not installed; the Go and TypeScript clients are generated with Go >= 1.26 and Node >= 20" >&2
    exit 1
  }
done

go_client() {
  go_plugin=$(sh .ci/tool.sh protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go "$PROTOBUF_GO")
  grpc_plugin=$(sh .ci/tool.sh protoc-gen-go-grpc google.golang.org/grpc/cmd/protoc-gen-go-grpc "$GRPC_GO")
  module=$(cd clients/go && go list -m)
  rm -rf clients/go/a2amesh
  "$python" -m grpc_tools.protoc -I protos \
    --plugin=protoc-gen-go="$go_plugin" --go_out=clients/go --go_opt="module=$module" \
    --plugin=protoc-gen-go-grpc="$grpc_plugin" --go-grpc_out=clients/go --go-grpc_opt="module=$module" \
    protos/a2amesh/v1/*.proto
}

typescript_client() {
  (cd clients/typescript && npm ci --silent --ignore-scripts)
  # Error details come from Google's own files, which a dependency of the node brings along.
  common=$("$python" -c 'import pathlib, google.rpc.status_pb2 as status; print(pathlib.Path(status.__file__).parents[2])')
  rm -rf clients/typescript/src && mkdir clients/typescript/src
  "$python" -m grpc_tools.protoc -I protos -I "$common" \
    --plugin=protoc-gen-ts_proto=clients/typescript/node_modules/.bin/protoc-gen-ts_proto --ts_proto_out=clients/typescript/src \
    --ts_proto_opt=env=node,outputServices=grpc-js,esModuleInterop=true,importSuffix=.js,outputIndex=true \
    --ts_proto_opt=oneof=unions-value,forceLong=bigint,removeEnumPrefix=true \
    protos/a2amesh/v1/*.proto "$common/google/rpc/status.proto" "$common/google/rpc/error_details.proto"
}

go_client
typescript_client
