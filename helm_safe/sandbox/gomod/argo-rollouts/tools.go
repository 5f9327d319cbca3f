//go:build tools

// Package argorollouts pins the controller of Argo Rollouts, a neighbour and a peer.
package argorollouts

import _ "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"
