import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { modulePath, startModule } from '../runtime/runtime.ts'
import type { EventDescription } from './event-description.ts'

/** How long a contract may take to load, in ms. A module that opens a connection never ends. */
const PATIENCE = 30_000
/** Longest output of the process that is kept, in characters. */
const MAX_TEXT = 16 * 1024 * 1024

/**
 * Reads a contract in a process of its own, so that it is new each time.
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function readContract(place: string): Promise<EventDescription[]> {
  const child = startModule(modulePath('./contract-process', import.meta.url), [place], { output: 'pipe' })
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  let text = ''
  let complaints = ''
  child.stdout?.on('data', (chunk) => {
    if (text.length < MAX_TEXT) text += chunk
  })
  child.stderr?.on('data', (chunk) => {
    complaints = (complaints + chunk).slice(-4_096)
  })
  try {
    await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
  } finally {
    clearTimeout(late)
  }
  const { events, problem } = parse(text)
  if (events) return events
  throw new SpanwireError(
    'invalid-argument',
    problem ?? `${place} can't be loaded: ${complaints.trim().split('\n').at(-1) || `no answer in ${PATIENCE} ms`}.`,
  )
}

function parse(text: string): { events?: EventDescription[]; problem?: string } {
  try {
    return JSON.parse(text.trim().split('\n').at(-1) ?? '')
  } catch {
    return {}
  }
}
