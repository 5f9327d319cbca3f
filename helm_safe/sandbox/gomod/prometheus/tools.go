//go:build tools

// Package prometheus pins the Prometheus that tests of gates scrape with.
package prometheus

import _ "github.com/prometheus/prometheus/cmd/prometheus"
