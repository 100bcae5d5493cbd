<?php

declare(strict_types=1);

namespace App\Console;

use App\Console\Commands\OpcuaSession;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

final class Kernel extends ConsoleKernel
{
    protected $commands = [OpcuaSession::class];
}
