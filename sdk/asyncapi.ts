/** A contract as documentation: an AsyncAPI document. */
export { type AsyncApiDocument, type AsyncApiOptions, toAsyncApi } from './asyncapi/document.ts'
export type { JsonSchema } from './asyncapi/json-schema.ts'
