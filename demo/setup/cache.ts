import { join } from 'node:path'

/** Where things are kept that were fetched for this project. `SPANWIRE_CACHE` moves it. */
export const cacheFolder: string = process.env.SPANWIRE_CACHE ?? join(import.meta.dirname, '../../.cache')
