/** A contract as documentation: an AsyncAPI document. */
export { type AsyncApiDocument, type AsyncApiOptions, toAsyncApi } from './document.ts'
export type { JsonSchema } from './json-schema.ts'
