// Command compiler turns one Rego policy into Wasm: it checks the format, runs the unit tests and compiles
// with optimisation. For developers only; the gateway loads the Wasm that is committed beside the source.
//
// Usage: compiler OUT.wasm POLICY.rego [POLICY_test.rego ...]
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/dependencies"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"
)

// entrypoint is the document that the gateway evaluates for a call, listEntrypoint the one for lists.
const (
	entrypoint     = "intentgate/decision"
	listEntrypoint = "intentgate/may_list"
)

// knownBeforeCalls is what `input` holds when lists are made: see docs/reference/policy_input.md.
var knownBeforeCalls = []ast.Ref{
	ast.MustParseRef("input.call.upstream"),
	ast.MustParseRef("input.call.method"),
	ast.MustParseRef("input.call.name"),
	ast.MustParseRef("input.call.received_at"),
	ast.MustParseRef("input.tool.known"),
	ast.MustParseRef("input.tool.annotations"),
	ast.MustParseRef("input.tool.pin"),
	ast.MustParseRef("input.principal"),
	ast.MustParseRef("input.facts.capability"),
	ast.MustParseRef("input.listing"),
}

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: compiler OUT.wasm POLICY.rego [POLICY_test.rego ...]"))
	}
	out, policy := os.Args[1], os.Args[2]
	modules := map[string]*ast.Module{}
	for _, path := range os.Args[2:] {
		module, err := parse(path)
		fail(err)
		modules[path] = module
	}
	fail(runTests(modules))
	wasm, err := build(policy)
	fail(err)
	fail(os.WriteFile(out, wasm, 0o644))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse reads a policy and refuses one that is not in OPA's own format.
func parse(path string) (*ast.Module, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	formatted, err := format.SourceWithOpts(path, source, format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(source, formatted) {
		return nil, fmt.Errorf("%s is not formatted; expected:\n%s", path, formatted)
	}
	return ast.ParseModuleWithOpts(path, string(source), ast.ParserOptions{
		ProcessAnnotation: true, RegoVersion: ast.RegoV1,
	})
}

// runTests compiles all modules in strict mode and runs every test_ rule among them.
func runTests(modules map[string]*ast.Module) error {
	compiler := ast.NewCompiler().WithStrict(true).WithRewriteTestRules(true)
	results, err := tester.NewRunner().SetCompiler(compiler).SetModules(modules).
		SetDefaultRegoVersion(ast.RegoV1).RaiseBuiltinErrors(true).RunTests(context.Background(), nil)
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	for result := range results {
		if result.Pass() {
			passed++
			continue
		}
		failed++
		fmt.Fprintln(os.Stderr, result)
	}
	fmt.Fprintf(os.Stderr, "%d Rego tests passed, %d failed\n", passed, failed)
	if failed > 0 {
		return fmt.Errorf("a policy whose tests fail is not compiled")
	}
	return nil
}

// build parses the policy again, because the compiler rewrites what it is given.
func build(path string) ([]byte, error) {
	module, err := parse(path)
	if err != nil {
		return nil, err
	}
	source := &bundle.Bundle{Data: map[string]any{}}
	source.SetRegoVersion(ast.RegoV1)
	source.Manifest.Init()
	// The name is part of the output: a constant keeps it free of where the file lies.
	source.Modules = []bundle.ModuleFile{{URL: "policy.rego", Path: "policy.rego", Parsed: module}}
	entrypoints := []string{entrypoint}
	if hasRule(module, "may_list") {
		entrypoints = append(entrypoints, listEntrypoint)
	} else if err := checkListable(path); err != nil {
		return nil, err
	}
	compiler := compile.New().WithBundle(source).WithTarget(compile.TargetWasm).WithEntrypoints(entrypoints...).
		WithOptimizationLevel(1).WithRegoVersion(ast.RegoV1).WithPruneUnused(true)
	if err := compiler.Build(context.Background()); err != nil {
		return nil, err
	}
	if built := compiler.Bundle().WasmModules; len(built) == 1 {
		return built[0].Raw, nil
	}
	return nil, fmt.Errorf("expected one Wasm module for %s", path)
}

func hasRule(module *ast.Module, name string) bool {
	for _, rule := range module.Rules {
		if rule.Head.Ref().String() == name {
			return true
		}
	}
	return false
}

// checkListable refuses a policy without may_list whose decision reads what is known only once there is a call:
// asked without it, the policy could hide what it would allow.
func checkListable(path string) error {
	module, err := parse(path)
	if err != nil {
		return err
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{path: module}); compiler.Failed() {
		return compiler.Errors
	}
	var late []string
	for _, rule := range compiler.GetRules(ast.MustParseRef("data.intentgate.decision")) {
		refs, err := dependencies.Base(compiler, rule)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if ref.HasPrefix(ast.InputRootRef) && !isKnownBeforeCalls(ref) {
				late = append(late, ref.String())
			}
		}
	}
	if len(late) == 0 {
		return nil
	}
	return fmt.Errorf("%s: \"decision\" reads %s, which is known only once there is a call; "+
		"add a rule \"may_list\" that says what may ever be used", path, strings.Join(late, ", "))
}

func isKnownBeforeCalls(ref ast.Ref) bool {
	for _, known := range knownBeforeCalls {
		if ref.HasPrefix(known) {
			return true
		}
	}
	return false
}
