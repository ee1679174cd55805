// Checks proofs that the gateway's own code made with the proofs of Go's checksum database, golang.org/x/mod/sumdb/tlog.
// Reads one JSON document from standard input and prints how many proofs it checked.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

type tree struct {
	Root string `json:"root"`
	// Inclusion proofs by leaf, consistency proofs by the smaller size, from 1 on.
	Inclusion   [][]string `json:"inclusion"`
	Consistency [][]string `json:"consistency"`
}

type input struct {
	Entries []string `json:"entries"`
	Trees   []tree   `json:"trees"` // trees[n] has n+1 leaves
}

type hashes []tlog.Hash

func (stored *hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = (*stored)[index]
	}
	return out, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parsed(texts []string) []tlog.Hash {
	out := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		hash, err := tlog.ParseHash(text)
		must(err)
		out[i] = hash
	}
	return out
}

func same(what string, ours []string, theirs []tlog.Hash) {
	if fmt.Sprint(parsed(ours)) != fmt.Sprint(theirs) {
		must(fmt.Errorf("%s: ours %v, theirs %v", what, ours, theirs))
	}
}

func main() {
	var in input
	must(json.NewDecoder(os.Stdin).Decode(&in))
	var stored hashes
	roots := []tlog.Hash{{}}
	for n, entry := range in.Entries {
		more, err := tlog.StoredHashes(int64(n), []byte(entry), &stored)
		must(err)
		stored = append(stored, more...)
		root, err := tlog.TreeHash(int64(n+1), &stored)
		must(err)
		roots = append(roots, root)
	}
	checked := 0
	for n, t := range in.Trees {
		size := int64(n + 1)
		same(fmt.Sprintf("root of %d", size), []string{t.Root}, roots[size:size+1])
		for leaf := int64(0); leaf < size; leaf++ {
			theirs, err := tlog.ProveRecord(size, leaf, &stored)
			must(err)
			same(fmt.Sprintf("leaf %d in %d", leaf, size), t.Inclusion[leaf], theirs)
			leafHash := tlog.RecordHash([]byte(in.Entries[leaf]))
			must(tlog.CheckRecord(parsed(t.Inclusion[leaf]), size, roots[size], leaf, leafHash))
			older := leaf + 1
			theirTree, err := tlog.ProveTree(size, older, &stored)
			must(err)
			same(fmt.Sprintf("%d to %d", older, size), t.Consistency[leaf], theirTree)
			must(tlog.CheckTree(parsed(t.Consistency[leaf]), size, roots[size], older, roots[older]))
			checked += 2
		}
	}
	fmt.Printf("%d proofs agree\n", checked)
}
