// The same injection as benchmarks/krm.py measures, written as a Go function on kyaml: what there is to beat.
//
// It knows the benchmark's Deployment and derives nothing; all it does is read, add three probes and a marker, and write.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kustomize/kyaml/fn/framework"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const probe = `
httpGet:
  path: /actuator/health/%s
  port: 8081
periodSeconds: %d
timeoutSeconds: %d
failureThreshold: %d
`

var probes = []struct {
	field, text string
}{
	{"livenessProbe", fmt.Sprintf(probe, "liveness", 10, 5, 6)},
	{"readinessProbe", fmt.Sprintf(probe, "readiness", 5, 3, 3)},
	{"startupProbe", fmt.Sprintf(probe, "liveness", 10, 3, 30)},
}

func inject(item *yaml.RNode) error {
	containers, err := item.Pipe(yaml.Lookup("spec", "template", "spec", "containers"))
	if err != nil || containers == nil {
		return err
	}
	return containers.VisitElements(func(container *yaml.RNode) error {
		for _, each := range probes {
			if container.Field(each.field) != nil {
				continue
			}
			value, err := yaml.Parse(each.text)
			if err != nil {
				return err
			}
			if err := container.PipeE(yaml.SetField(each.field, value)); err != nil {
				return err
			}
		}
		return nil
	})
}

func main() {
	process := framework.ResourceListProcessorFunc(func(list *framework.ResourceList) error {
		for _, item := range list.Items {
			if item.GetKind() != "Deployment" {
				continue
			}
			if err := inject(item); err != nil {
				return err
			}
			if err := item.PipeE(yaml.SetAnnotation("helm-safe.dev/defaults", "defaults")); err != nil {
				return err
			}
		}
		return nil
	})
	if err := framework.Execute(process, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
