# Has no `may_list`: what its decision reads is known before there is a call.
package intentgate

default decision := {"decision": "block", "code": "not_read_only", "reason": "Only what reads is allowed"}

decision := {"decision": "allow"} if input.tool.annotations.readOnlyHint == true

decision := {"decision": "escalate", "code": "granted", "reason": "Somebody must look"} if {
	input.call.method == "prompts/get"
	input.call.name == "greeting"
}
