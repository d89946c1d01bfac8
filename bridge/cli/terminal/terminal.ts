import process from 'node:process'
import { styleText } from 'node:util'

/** Output of a command: results by `out`, everything for people by `note`. */
export interface Terminal {
  /** Writes one line of the result to stdout. */
  out(line: string): void
  /** Writes one line for people to stderr: it never mixes with the result. */
  note(line: string): void
  /** Colours for stdout; plain text where stdout is not a terminal. */
  readonly paint: Paint
  /** The same for stderr. */
  readonly paintNote: Paint
}

/** Names of the colours by their meaning. */
export type Tone = 'bold' | 'dim' | 'good' | 'warn' | 'bad' | 'name'

/** Returns `text` in a tone. */
export type Paint = (tone: Tone, text: string) => string

const STYLES = { bold: 'bold', dim: 'dim', good: 'green', warn: 'yellow', bad: 'red', name: 'cyan' } as const

interface Stream {
  readonly isTTY?: boolean
}

/**
 * Whether a stream gets colours: only a terminal does, and none with `NO_COLOR` (https://no-color.org).
 * `FORCE_COLOR` other than `0` turns them on, as in CI logs.
 */
export function hasColors(stream: Stream, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env.NO_COLOR) return false
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0'
  return stream.isTTY === true && env.TERM !== 'dumb'
}

/** Colours, or none. */
export function createPaint(isColored: boolean): Paint {
  if (!isColored) return (_, text) => text
  return (tone, text) => styleText(STYLES[tone], text, { validateStream: false })
}

/** The terminal of this process. */
export function openTerminal(): Terminal {
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    paint: createPaint(hasColors(process.stdout, process.env)),
    paintNote: createPaint(hasColors(process.stderr, process.env)),
  }
}
