import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// During development, `npm start` answers the routes of server.ts.
const server = 'http://localhost:3000'

export default defineConfig({
  plugins: [react()],
  server: { proxy: { '/token': server, '/say': server } },
})
