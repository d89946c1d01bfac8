import type { StreamHandle } from '../bus/bus.ts'
import type { ReceivedEvent } from '../bus/received-event.ts'
import type { Gap } from './gap.ts'

type Listener = (event: ReceivedEvent) => void

/**
 * The current value of each subject.
 * @param follow subscribes to the last event of each subject, and what comes then
 * @param toSubject of params
 */
export function createLatest(
  follow: (listener: Listener, onGap: (gap: Gap) => void) => StreamHandle,
  toSubject: (params: Readonly<Record<string, string>>) => string,
  signal?: AbortSignal,
): object {
  const values = new Map<string, ReceivedEvent>()
  const listeners = new Set<Listener>()
  const ends = new Set<() => void>()
  const handle = follow(
    (event) => {
      values.set(event.subject, event)
      for (const listener of [...listeners]) listener(event)
    },
    // Between two values some may be missing; only those of another stream mean nothing any more.
    ({ reason }) => reason === 'recreated' && values.clear(),
  )
  const unsubscribe = () => {
    handle.unsubscribe()
    for (const end of [...ends]) end()
  }
  handle.live.catch(unsubscribe)
  signal?.addEventListener('abort', unsubscribe, { once: true })

  /** What isn't read in time is replaced by what came after it: as many wait as there are subjects. */
  async function* iterate(): AsyncGenerator<ReceivedEvent, undefined> {
    const changed = new Map(values)
    let wake = () => {}
    let over = false
    const listener = (event: ReceivedEvent) => {
      changed.set(event.subject, event)
      wake()
    }
    const end = () => {
      over = true
      wake()
    }
    listeners.add(listener)
    ends.add(end)
    try {
      while (!over) {
        for (const [subject, event] of changed) {
          changed.delete(subject)
          yield event
        }
        if (changed.size === 0 && !over)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
    } finally {
      listeners.delete(listener)
      ends.delete(end)
    }
  }

  return {
    ready: handle.live,
    get: (of: string | Readonly<Record<string, string>>) => values.get(typeof of === 'string' ? of : toSubject(of)),
    values: () => values,
    subscribe(listener: Listener) {
      const own = (event: ReceivedEvent) => listener(event)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    unsubscribe,
    [Symbol.asyncIterator]: iterate,
    [Symbol.dispose]: unsubscribe,
  }
}
