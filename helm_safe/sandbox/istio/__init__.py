"""Istio in a sandbox, on request: a real istiod, and an Envoy that is its ingress gateway."""
