import '@starling/shared/without-eval.ts';
import './app.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Gate } from './app/gate.tsx';
import { router } from './app/router.tsx';
import { queryClient } from './lib/api.ts';
import { takeTokenFromAddress } from './lib/sign-in.ts';
import { applyTheme } from './lib/ui-state.ts';

// Before anything is drawn: the token leaves the address, the theme is known.
const token = takeTokenFromAddress();
applyTheme();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Gate token={token}>
        <RouterProvider router={router} />
      </Gate>
    </QueryClientProvider>
  </StrictMode>,
);
