import { consume } from '../../sdk/consumer/index.ts'
import { connect, webSocket } from '../../sdk/index.ts'
import { events } from './events.ts'

const ANSWER = 'answers.{user}.{answer}'

/** A model: yields the tokens of an answer, until the signal aborts. */
export type Model = (question: string, signal: AbortSignal) => AsyncIterable<string>

export interface ServiceOptions {
  /** URL of the bridge. */
  readonly url: string
  readonly token: string | (() => Promise<string>)
  readonly model: Model
}

/** Answers questions. Any number of processes can do this at once: each question is handled by one of them. */
export function startService({ url, token, model }: ServiceOptions) {
  const transport = webSocket({ url, token })
  const bus = connect({ transport, events })
  const consumer = consume(
    { events, connection: transport },
    'questions.{user}.{answer}',
    async ({ params, data }) => {
      // The question is delivered again if a process crashes. Then the answer begins again, unless it has ended.
      const earlier = bus.latest(ANSWER, params)
      await earlier.ready
      const hasEnded = earlier.get(params)?.data.kind === 'end'
      earlier.unsubscribe()
      if (hasEnded) return

      const stop = new AbortController()
      // From the beginning: a reader may have stopped the answer before this process took the question.
      const stops = bus.on('stops.{user}.{answer}', params, () => stop.abort(), { from: 'all' })
      try {
        await stops.live
        await bus.publish(ANSWER, params, { kind: 'begin', question: data.text })
        let text = ''
        for await (const token of model(data.text, stop.signal)) {
          text += token
          await bus.publish(ANSWER, params, { kind: 'token', text: token })
        }
        const reason = stop.signal.aborted ? 'stopped' : 'complete'
        await bus.publish(ANSWER, params, { kind: 'end', reason, text })
      } finally {
        stops.unsubscribe()
      }
    },
    { consumer: 'answers', concurrency: 100 },
  )
  return {
    ready: consumer.ready,
    async close() {
      await bus.close()
      await transport.close()
    },
  }
}
