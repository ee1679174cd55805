import assert from "node:assert/strict";
import { createAttemptThrottle, networkOf } from "./attempt_throttle.ts";

function throttle(maxAddresses = 100) {
  const clock = { ms: 1_000 };
  const options = { nowMs: () => clock.ms, burst: 3, forgivenAfterMs: 2_000, maxAddresses };
  return { clock, ...createAttemptThrottle(options) };
}

Deno.test("createAttemptThrottle() lets an address fail a few times and then says how long to wait", () => {
  const { clock, failed, retryAfterSeconds } = throttle();
  for (let failure = 0; failure < 3; failure++) {
    assert.equal(retryAfterSeconds("192.0.2.1"), 0);
    failed("192.0.2.1");
  }
  assert.equal(retryAfterSeconds("192.0.2.1"), 2);
  assert.equal(retryAfterSeconds("192.0.2.2"), 0, "another address");
  clock.ms += 1_999;
  assert.equal(retryAfterSeconds("192.0.2.1"), 1);
  clock.ms += 1;
  assert.equal(retryAfterSeconds("192.0.2.1"), 0);
  for (let failure = 0; failure < 50; failure++) failed("192.0.2.1");
  assert.equal(retryAfterSeconds("192.0.2.1"), 2, "a flood earns no longer wait");
  clock.ms += 6_000;
  for (let failure = 0; failure < 2; failure++) failed("192.0.2.1");
  assert.equal(retryAfterSeconds("192.0.2.1"), 0, "all was forgiven");
});

Deno.test("createAttemptThrottle() remembers a bounded number of addresses, the latest failures longest", () => {
  const { failed, retryAfterSeconds, size } = throttle(10);
  for (let failure = 0; failure < 3; failure++) failed("198.51.100.1");
  for (let index = 0; index < 9; index++) failed(`192.0.2.${index}`);
  failed("198.51.100.1");
  for (let index = 0; index < 9; index++) failed(`203.0.113.${index}`);
  assert.equal(size(), 10);
  assert.equal(retryAfterSeconds("198.51.100.1"), 2);
  failed("203.0.113.99");
  assert.equal(retryAfterSeconds("198.51.100.1"), 0, "forgotten");
});

Deno.test("networkOf() takes an IPv6 address for its /64 and a mapped IPv4 address for itself", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:0001:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["unknown", "unknown"],
  ];
  for (const [address, network] of cases) assert.equal(networkOf(address), network, address);
});
