import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, Invalid } from "../src/index.ts";
import { multipart } from "../src/multipart.ts";
import { foreign, host, text } from "./host.ts";

test("a form with files is sent as browsers do", async () => {
  const form = new FormData();
  form.append("note", "Zoë");
  form.append("file", new Blob([new TextEncoder().encode("--jackfield-0"), new Uint8Array([255])], { type: "text/csv" }), 'ü "1".csv');
  form.append("plain", new Blob(["x"]), "x");
  const { body, contentType } = await multipart(form);
  // In the data stands what would end the first boundary.
  assert.equal(contentType, "multipart/form-data; boundary=jackfield-1");
  const expected = [
    '--jackfield-1\r\ncontent-disposition: form-data; name="note"\r\n\r\nZoë\r\n',
    '--jackfield-1\r\ncontent-disposition: form-data; name="file"; filename="ü %221%22.csv"\r\ncontent-type: text/csv\r\n\r\n',
    "--jackfield-0\xff\r\n",
    '--jackfield-1\r\ncontent-disposition: form-data; name="plain"; filename="x"\r\ncontent-type: application/octet-stream\r\n\r\nx\r\n',
    "--jackfield-1--\r\n",
  ].join("");
  // 0xff is no UTF-8: compared as bytes, of which it is one.
  const bytes = [...expected].flatMap((character) => (character === "\xff" ? [255] : [...new TextEncoder().encode(character)]));
  assert.deepEqual([...body], bytes);
  assert.equal((await multipart(new FormData())).body.length, "--jackfield-0--\r\n".length);
});

test("a call sends it, and nothing beside it", async () => {
  const form = new FormData();
  form.append("a", "1");
  host.http.send = (request) => {
    assert.deepEqual(request.headers, [["content-type", "multipart/form-data; boundary=jackfield-0"]]);
    assert.equal(text(request.body), '--jackfield-0\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--jackfield-0--\r\n');
    return { status: 204, headers: [], body: foreign("") };
  };
  const { http } = new Context();
  assert.equal((await http.post("x", "/", { form })).status, 204);
  assert.equal((await http.post("https://x/", { form })).status, 204);
  await assert.rejects(http.post("x", "/", { form, json: 1 }), (thrown) => thrown instanceof Invalid && /one body/.test(thrown.message));
});
