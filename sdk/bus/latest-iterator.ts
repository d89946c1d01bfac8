import type { ReceivedEvent } from '../contract/received-event.ts'
import type { Listeners } from '../kit/listeners.ts'

/**
 * The current values, then every update. What isn't read in time is replaced by what came after it: as many wait as
 * there are subjects. Loaded when the first is asked for.
 * @param ended resolves when nothing more comes
 */
export function iterateLatest(
  values: ReadonlyMap<string, ReceivedEvent>,
  updates: Listeners<ReceivedEvent>,
  ended: Promise<unknown>,
): Pick<AsyncGenerator<ReceivedEvent, undefined>, 'next' | 'return'> {
  const left = Promise.withResolvers<void>()
  const reader = read(values, updates, Promise.race([ended, left.promise]))
  return {
    next: () => reader.next(),
    // A generator that waits for an update doesn't hear of it by itself.
    return(value) {
      left.resolve()
      return reader.return(value)
    },
  }
}

async function* read(
  values: ReadonlyMap<string, ReceivedEvent>,
  updates: Listeners<ReceivedEvent>,
  ended: Promise<unknown>,
): AsyncGenerator<ReceivedEvent, undefined> {
  const changed = new Map(values)
  let wake = () => {}
  let over = false
  const end = () => {
    over = true
    wake()
  }
  ended.then(end, end)
  const release = updates.add((event) => {
    changed.set(event.subject, event)
    wake()
  })
  try {
    while (!over) {
      for (const [subject, event] of changed) {
        changed.delete(subject)
        yield event
      }
      await new Promise<void>((resolve) => {
        wake = resolve
        if (over || changed.size > 0) resolve()
      })
    }
  } finally {
    release()
  }
}
