import { join } from 'node:path'

/** Folder of downloads for this project. `SPANWIRE_CACHE` moves it. */
export const cacheFolder: string = process.env.SPANWIRE_CACHE ?? join(import.meta.dirname, '../../.cache')
