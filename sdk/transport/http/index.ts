/** Publishing and requesting by `fetch`: `connect({ transport: http({ url, token }), events })`. */
export { type HttpOptions, http } from './http.ts'
