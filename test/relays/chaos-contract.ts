/** The contract of the kill tests: one stream for each relay. */
import { defineEvents, event, type StandardSchema } from '../../sdk/index.ts'

/** The data of a message. */
export interface Numbered {
  readonly n: number
  readonly key: string
}

/** @param delay how long the schema takes, in ms: it makes a relay slow enough to be killed in between */
export function chaosContract(delay: number) {
  const schema: StandardSchema<Numbered> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      async validate(value) {
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
        return { value: value as Numbered }
      },
    },
  }
  return defineEvents({
    'in.{key}': event(schema, { stream: 'IN' }),
    'out.{key}': event(schema, { stream: 'OUT' }),
    'control.{key}': event(schema, { stream: 'CONTROL' }),
  })
}
