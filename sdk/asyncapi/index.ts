/** The entry `spanwire/asyncapi`: a contract as an AsyncAPI document. */
export {
  type AsyncApiDocument,
  type AsyncApiOptions,
  type DescribedRelay,
  type ForeignChannel,
  toAsyncApi,
} from './document.ts'
export type { JsonSchema } from './json-schema.ts'
