# Must not compile: without `may_list` nobody could say what its decision ever allows.
package intentgate

default decision := {"decision": "block", "code": "too_much", "reason": "Too much"}

decision := {"decision": "allow"} if {
	given := input.call
	given.arguments.amount <= 100
}
