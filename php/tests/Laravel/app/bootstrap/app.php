<?php

declare(strict_types=1);

use App\Kernel;
use Illuminate\Contracts\Console\Kernel as KernelContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Exceptions\Handler;

require_once __DIR__ . '/../app/Kernel.php';

$app = new Application(dirname(__DIR__));
$app->singleton(ExceptionHandler::class, Handler::class);
$app->singleton(KernelContract::class, Kernel::class);

return $app;
