// Not built: only its custom resource definitions are read, by a test, checked by their hash in go.sum.
// `go mod tidy` would take the line away, since nothing here imports it.
module moorage.dev/tools/keda

go 1.26.0

require github.com/kedacore/keda/v2 v2.21.0
