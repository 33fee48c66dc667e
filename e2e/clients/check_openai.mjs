// The official package for Node, whole and streamed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const url = process.argv[2];
const model = "demo-v3";
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const capital = [{ role: "user", content: "I forgot the capital of Portugal. What is it?" }];
const ask = [{ role: "user", content: "What is the weather in Paris?" }];
const tools = [{
  type: "function",
  function: {
    name: "get_weather", description: "Get the weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}];
const chat = (fields) => client.chat.completions.create({ model, messages: capital, temperature: 0, max_tokens: 64, ...fields });

const checks = {
  async models() {
    const list = await client.models.list();
    assert.ok(list.data.some((m) => m.id === model));
  },
  async chatWhole() {
    assert.equal((await chat()).choices[0].message.content, "Lisbon");
  },
  async chatStreamed() {
    let text = "", usage;
    for await (const chunk of await chat({ stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, "Lisbon");
    assert.ok(usage.completion_tokens > 0);
  },
  async toolsWhole() {
    const choice = (await chat({ messages: ask, tools })).choices[0];
    assert.equal(choice.finish_reason, "tool_calls");
    assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), { city: "Paris" });
  },
  async toolsStreamed() {
    const stream = client.chat.completions.stream({ model, messages: ask, tools, temperature: 0 });
    const final = await stream.finalChatCompletion();
    assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: "Paris" });
  },
  async responseFormat() {
    const schema = { type: "object", properties: { n: { type: "integer", minimum: 1, maximum: 9 } }, required: ["n"], additionalProperties: false };
    const answer = await chat({ response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } } });
    const { n } = JSON.parse(answer.choices[0].message.content);
    assert.ok(n >= 1 && n <= 9);
  },
  async errors() {
    await assert.rejects(chat({ top_p: 3 }), OpenAI.BadRequestError);
    await assert.rejects(client.responses.create({ model, input: "x" }), OpenAI.NotFoundError);
  },
};

const version = JSON.parse(readFileSync(new URL("./node_modules/openai/package.json", import.meta.url))).version;
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      openai (node) ${version}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  openai (node) ${version}: ${name}\n${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
