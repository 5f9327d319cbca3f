//go:build tools

// Package flagger pins the controller of Flagger, a neighbour and a peer.
package flagger

import _ "github.com/fluxcd/flagger/cmd/flagger"
