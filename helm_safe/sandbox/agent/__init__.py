"""The sandbox's pod agent: a kubelet whose containers are make-believe, whose requests, probes and logs are real.

Where to look: `podspec` reads pods, `lifecycle` leads one pod from its birth to its end and `container` each of its
containers, `probes` decides what probe results mean and `probing` sends them, `roles` says how a container behaves,
`server` answers for it, `status` writes it down for the API, `kubelet_api` serves logs and port-forward.
"""
