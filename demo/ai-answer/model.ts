import { setTimeout as wait } from 'node:timers/promises'

/** The recording. Its tokens keep their white space, as a model's tokens do. */
const TOKENS =
  `NATS delivers a message to all subscribers of its subject. JetStream stores messages in a stream, and gives
each one a sequence. A page that reads a subject from the beginning gets all stored messages in their order, and the new
ones after them. A page that was away reads on after the last sequence that it has seen. This answer is such a subject:
each of its tokens is one message. You can reload this page, open it on another device, or stop the answer on either of
them. The last message has the whole text, for pages that need no tokens.`
    .replaceAll('\n', ' ')
    .match(/\s*\S{1,5}/g) as string[]

/**
 * Answers each question with the recording. A real model uses the question.
 * @param pace ms between two tokens
 */
export async function* recordedModel(_question: string, signal: AbortSignal, pace = 60): AsyncGenerator<string> {
  for (const token of TOKENS) {
    await wait(pace, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    yield token
  }
}
