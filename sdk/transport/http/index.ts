/** The entry `spanwire/http`: a transport that publishes and requests by `fetch`. */
export { type HttpOptions, http } from './http.ts'
