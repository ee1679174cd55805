# Answers whatever the engine's tests ask for: `input.answer` as it stands, or a way of failing.
package intentgate

decision := input.answer

# Needs memory in proportion to `input.numbers`.
decision := {"decision": "block", "code": "counted", "reason": "Counted"} if {
	count(numbers.range(1, input.numbers)) > 0
}

# Calls back into the host.
decision := {"decision": "allow", "code": "prefixed"} if strings.any_prefix_match(input.text, input.prefixes)

# Two different answers: the evaluation aborts with a conflict.
decision := {"decision": "allow", "code": value} if some value in input.conflict

# Says of lists what the test says.
may_list := input.listed

may_list := value if some value in input.conflicting
