# METADATA
# title: Default policy
# description: >-
#   What the gateway enforces until an operator writes a policy. The capability token says what may be called; within
#   it, a tool that the gateway's own block names exactly, or that its upstream annotates as read-only, is allowed.
#   What only a pattern covers and is not known to be read-only needs a human. Everything else is blocked.
package intentgate

default decision := {
	"decision": "block",
	"code": "not_covered",
	"reason": "The default policy covers only tool calls that are made with a capability token",
}

decision := {
	"decision": "allow",
	"code": "named_exactly",
	"reason": "The token names this tool exactly",
} if {
	within_token
	input.facts.capability.named_exactly == true
} else := {
	"decision": "allow",
	"code": "read_only",
	"reason": "The token covers this tool by a pattern and the tool is annotated as read-only",
} if {
	within_token
	read_only
} else := {
	"decision": "escalate",
	"code": "destructive",
	"reason": "The token covers this tool only by a pattern and the tool is annotated as destructive",
} if {
	within_token
	destructive
} else := {
	"decision": "escalate",
	"code": "not_read_only",
	"reason": "The token covers this tool only by a pattern and the tool is not annotated as read-only",
} if {
	within_token
}

within_token if {
	input.call.method == "tools/call"
	is_object(input.principal)
	is_object(input.facts.capability)
}

# Annotations are claims of the upstream: contradicting ones count as destructive.
read_only if {
	input.tool.annotations.readOnlyHint == true
	not destructive
}

destructive if input.tool.annotations.destructiveHint == true
