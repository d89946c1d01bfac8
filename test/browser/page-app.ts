/** The script of the test pages: the SDK, bundled as in an application. */
import {
  bytes,
  connect,
  defineEvents,
  event,
  localStorageCursors,
  SpanwireError,
  type StandardSchema,
} from '../../sdk/index.ts'

const anything: StandardSchema<unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
}
const spanwire = { anything, bytes, connect, defineEvents, event, localStorageCursors, SpanwireError }
Object.assign(globalThis, { spanwire })

/** Globals of the test pages, for `page.evaluate`. */
export type PageApp = typeof spanwire
