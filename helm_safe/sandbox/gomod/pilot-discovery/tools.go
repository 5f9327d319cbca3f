//go:build tools

// Package pilotdiscovery pins istiod, which tells an Envoy what VirtualServices say.
package pilotdiscovery

import _ "istio.io/istio/pilot/cmd/pilot-discovery"
