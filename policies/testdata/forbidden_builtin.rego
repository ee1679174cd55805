# Must not load: a policy may not reach the network.
package intentgate

decision := {"decision": "allow"} if http.send({"method": "GET", "url": input.url}).status_code == 200

may_list := false
