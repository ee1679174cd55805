import assert from "node:assert/strict";
import { parseVersions, versionsQuery } from "./s3_versions.ts";

const page = (inner: string) =>
  `<?xml version="1.0"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListVersionsResult>`;

Deno.test("versions are read, delete markers and other prefixes are passed over", () => {
  const listed = parseVersions(
    page(
      "<IsTruncated>false</IsTruncated><DeleteMarker><Key>p/a</Key><VersionId>m</VersionId></DeleteMarker>" +
        "<Version><ETag>&quot;x&quot;</ETag><Key>p/a</Key>\n<VersionId>1.b-_</VersionId><Owner><ID>7</ID></Owner></Version>" +
        "<Version><Key>q/a</Key><VersionId>2</VersionId></Version><Version><Key>p/b</Key></Version>",
    ),
    "p/",
  );
  assert.deepEqual(listed, {
    versions: [{ name: "a", versionId: "1.b-_" }, { name: "b", versionId: "null" }],
  });
});

Deno.test("a page that is not the last one says where the next begins, in whatever characters", () => {
  const more = "<IsTruncated>true</IsTruncated><NextKeyMarker>p/&lt;&amp;&#x1;&#233;&bogus;</NextKeyMarker>";
  const { next } = parseVersions(page(`${more}<NextVersionIdMarker>v</NextVersionIdMarker>`), "p/");
  assert.deepEqual(next, { key: "p/<&\x01é&bogus;", versionId: "v" });
  assert.deepEqual(parseVersions(page(more), "p/").next?.versionId, "");
  assert.throws(() => parseVersions(page("<IsTruncated>true</IsTruncated>"), "p/"), /Expected NextKeyMarker/);
  assert.equal(
    versionsQuery("p/", { key: "p/<&", versionId: "v" }),
    "?versions&max-keys=40&prefix=p%2F&key-marker=p%2F%3C%26&version-id-marker=v",
  );
});
