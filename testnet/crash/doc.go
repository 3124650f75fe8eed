// Package crash tests whole nodes, as real processes, against what ends them
// without warning: kill -9, a power cut (node/store/storetest/powercut) and a
// full disk. Each test keeps a ledger of what a node acknowledged, to the
// commands, to an import and to other nodes, and afterwards compares it with
// everything that is in the node's store.
//
// There is nothing in it but tests. -crash.seed chooses another course of
// events, and -short makes a few interruptions of many.
package crash
