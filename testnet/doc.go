// Package testnet is a small world to test in. A [World] holds any number of
// real nodes in one process, joined by a [Network] in memory: no sockets, no
// names to look up, and links that can be cut, slowed or made to lose messages,
// all decided by one seed. Nodes can be stopped, crashed and brought back from
// their data folders, and the whole world shares a clock that can be moved
// forward by days.
//
// Scenarios tell such a world what happens, one line a step, in txtar files
// under testdata/scenarios; docs/implementers/scenarios.md lists the steps.
//
// Foreign software is tested against beside it: testnet/setup.sh installs it.
package testnet
