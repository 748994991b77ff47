// Command compose checks a Compose file the way `docker compose` reads it, and finds two faults that it does not:
// a secret or config whose file is missing, and a wait for the health of a service that has no health check.
//
// Usage: compose FILE. Every profile is looked at. Variables come from the environment only.
// Exit code 0 and the resolved project as JSON on stdout, or 1 and one fault per line on stderr.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compose FILE")
		os.Exit(2)
	}
	project, err := load(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	faults := append(missingFiles(project), unanswerableWaits(project)...)
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	resolved, err := project.MarshalJSON()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(resolved))
}

func load(ctx context.Context, file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions(
		[]string{file},
		cli.WithOsEnv,
		cli.WithProfiles([]string{"*"}),
		cli.WithResolvedPaths(true),
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// missingFiles names every secret and config that is read from a file which is not there.
func missingFiles(project *types.Project) []string {
	var faults []string
	check := func(kind, name, file string) {
		if file == "" {
			return
		}
		if found, err := os.Stat(file); err != nil || !found.Mode().IsRegular() {
			faults = append(faults, fmt.Sprintf("%s %q: there is no file %s", kind, name, file))
		}
	}
	for name, secret := range project.Secrets {
		check("secret", name, secret.File)
	}
	for name, config := range project.Configs {
		check("config", name, config.File)
	}
	sort.Strings(faults)
	return faults
}

// unanswerableWaits names every dependency on the health of a service that declares no health check. An image may
// bring one, but a reader of the file cannot see that, and the next image may not.
func unanswerableWaits(project *types.Project) []string {
	var faults []string
	for name, service := range project.Services {
		for dependency, condition := range service.DependsOn {
			if condition.Condition != types.ServiceConditionHealthy {
				continue
			}
			if !hasHealthCheck(project.Services[dependency]) {
				faults = append(faults, fmt.Sprintf(
					"service %q waits for %q to be healthy, but %q has no health check", name, dependency, dependency))
			}
		}
	}
	sort.Strings(faults)
	return faults
}

func hasHealthCheck(service types.ServiceConfig) bool {
	check := service.HealthCheck
	return check != nil && !check.Disable && len(check.Test) > 0 && check.Test[0] != "NONE"
}
